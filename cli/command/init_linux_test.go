package command_test

import (
	"bufio"
	"cmp"
	"os"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestLockAsInit: as the first process of a container it reaps orphans.
func TestLockAsInit(t *testing.T) {
	t.Parallel()
	server := lockServer(t)
	cmd := clitest.Program("lock", "k", "--server", server, "--", "sh", "-c", "(sleep 1000 &); echo begun; read line")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID}
	}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := cmp.Or(err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		testenv.Missing(t, err) // where namespaces cannot be made
	}
	_, _ = bufio.NewReader(out).ReadString('\n')
	var orphans []int
	testenv.Eventually(t, "there is an orphan", func() bool { orphans = childrenOf(cmd.Process.Pid, "sleep"); return len(orphans) == 1 })
	_ = syscall.Kill(orphans[0], syscall.SIGKILL)
	testenv.Eventually(t, "it is reaped", func() bool { return len(childrenOf(cmd.Process.Pid, "sleep")) == 0 })
	in.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
}
