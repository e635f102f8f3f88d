package server

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/testenv"
)

// forbidding names, for the process in which TestBatchCallsForbidden serves, the system call that
// it must do without.
const forbidding = "LOCKCACHED_TEST_FORBIDDEN"

var forbidden = map[string]uint32{"io_setup": unix.SYS_IO_SETUP, "io_submit": unix.SYS_IO_SUBMIT}

// Where the kernel refuses batch calls, from the start or at any time later, plain calls serve.
func TestBatchCallsForbidden(t *testing.T) {
	if call := os.Getenv(forbidding); call != "" {
		serveWithout(t, forbidden[call])
		return
	}
	testAIO(t)
	for call := range forbidden {
		t.Run(call, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBatchCallsForbidden$", "-test.v")
			cmd.Env = append(os.Environ(), forbidding+"="+call)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func serveWithout(t *testing.T, call uint32) {
	b := newBatcher(t, by{"tcp", false}, patient())
	all := b.clients(10)
	if call == unix.SYS_IO_SUBMIT {
		must(t, b.srv.BatchCalls())
	}
	forbid(t, call)
	for range 3 {
		for _, c := range all {
			c.send("set a 0 0 1", "x", "get a")
		}
		b.serveInput(len(all))
		for _, c := range all {
			c.gets("STORED", "VALUE a 0 1", "x", "END")
		}
	}
	if err := b.srv.BatchCalls(); err != syscall.EPERM {
		t.Errorf("batch calls: %v", err)
	}
	all[0].send("stats settings")
	b.serveInput(1)
	for line := ""; line != "STAT batch_calls no"; line = all[0].line() {
		if line == "END" {
			t.Fatal("stats settings does not tell")
		}
	}
}

// forbid makes the kernel refuse a system call to this process from now on, as a container's
// rules do.
func forbid(t *testing.T, call uint32) {
	t.Helper()
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(syscall.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		err = errors.Join(err, errno)
	}
	if err != nil {
		testenv.Missing(t, err)
	}
}
