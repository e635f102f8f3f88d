package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// activated takes over the sockets that systemd listens on for us, if any. Clients that connected
// before the start, or during a restart, are served. With an error it returns the sockets before
// the one that failed.
func activated() (list []listener, err error) {
	for i, file := range activation.Files(true) {
		l, err := net.FileListener(file) // it has a descriptor of its own
		_ = file.Close()
		if err != nil {
			return list, fmt.Errorf("socket %d of systemd is of no use; it should be one of ListenStream= with Accept=no: %w", i, err)
		}
		list = append(list, listener{l, tlsAsSet})
	}
	return list, nil
}

// notifyPatience is how long systemd may take to accept a notification.
const notifyPatience = time.Second

// notify tells systemd the state of the service, if systemd started us. It waits for notifyPatience
// at most: a systemd that does not listen keeps us neither from working nor from ending.
func (s *service) notify(state string) {
	told := make(chan error, 1)
	go func() {
		_, err := systemd.SdNotify(false, state)
		told <- err
	}()
	var err error
	select {
	case err = <-told:
	case <-time.After(notifyPatience):
		err = os.ErrDeadlineExceeded
	}
	if err != nil {
		s.log.Warn().Err(err).Str("state", state).Msg("cannot notify systemd")
	}
}

// reloadNotified calls reload, and tells systemd when that begins and ends.
func (s *service) reloadNotified() {
	s.notify(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
	s.reload()
	s.notify(systemd.SdNotifyReady)
}

// feedsPerWatchdog leaves room for a notification that comes late.
const feedsPerWatchdog = 3

// feedWatchdog tells systemd again and again that the server is alive, which means that its
// mutexes can be locked. A server that hangs says nothing, and systemd restarts it.
func (s *service) feedWatchdog(ctx context.Context, m *locks.Manager, srv *server.Server) {
	patience, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn().Err(err).Msg("cannot feed systemd's watchdog")
	}
	if patience <= 0 {
		return
	}
	tick := time.NewTicker(patience / feedsPerWatchdog)
	defer tick.Stop()
	for {
		_, _ = m.Totals(), srv.Snapshot()
		s.notify(systemd.SdNotifyWatchdog)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
