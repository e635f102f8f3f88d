//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is what a run was made on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

func thisMachine() (machine, error) {
	m := machine{CPU: cpuName(), Cores: runtime.NumCPU(), Go: runtime.Version()}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, err
	}
	m.Memory = fmt.Sprintf("%.0f GB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	m.Kernel = "Linux " + unix.ByteSliceToString(name.Release[:])
	return m, nil
}

// cpuName is the processor's name; only its architecture where Linux tells no more.
func cpuName() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "model name\t: "); ok {
			return name
		}
	}
	return runtime.GOARCH
}

// version asks a server what it is.
func version(addr string) (string, error) {
	c, err := dial(addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	r, err := c.ask("version\r\n", 5*time.Second)
	return strings.Join(r.words, " "), err
}
