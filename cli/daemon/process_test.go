package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestPIDFileInNoDirectory(t *testing.T) {
	var b bytes.Buffer
	remove := writePID(filepath.Join(t.TempDir(), "no", "pid"), zerolog.New(&b))
	remove()
	if strings.Count(b.String(), "cannot write the pid file") != 1 || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("%q", &b)
	}
}

func TestPIDFileOfALivingServer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(name, fmt.Appendln(nil, os.Getppid()), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	writePID(name, zerolog.New(&b))()
	if !strings.Contains(b.String(), "names a process that runs") {
		t.Errorf("%q", &b)
	}
}
