package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// cannotListen says why an address could not be opened, and what to do about it. flag is the flag
// with its value, addr the address that it stands for, and portFlag the flag that sets the port.
func cannotListen(flag, addr, portFlag string, err error) error {
	if !strings.HasSuffix(flag, " "+addr) {
		flag += ": " + addr
	}
	advice := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "; another process listens there: stop it, or choose another port with " + portFlag
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = "; ports below 1024 need root or CAP_NET_BIND_SERVICE: choose a larger one with " + portFlag
	}
	return fmt.Errorf("cannot listen on %s: %w%s", flag, cause(err), advice)
}

// noSuchAddress says that this machine does not have an address.
func noSuchAddress(err error) string {
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return cause(err).Error() + "; this machine has no IPv6"
	}
	return cause(err).Error() + "; it is none of this machine's addresses, which \"ip addr\" lists"
}

// cannotListenUnix is cannotListen for the file of a Unix socket.
func cannotListenUnix(path string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "; another process listens there: stop it, or name another file"
	case errors.Is(err, fs.ErrNotExist):
		advice = "; its directory has to exist"
	case errors.Is(err, fs.ErrPermission):
		advice = "; the server's user needs the right to create files in that directory"
	}
	return fmt.Errorf("cannot listen on -s %s: %w%s", path, cause(err), advice)
}

// cause returns the error of the system call, without what packages net and os add to it.
func cause(err error) error {
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
