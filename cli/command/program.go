package command

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// shell runs scripts that do not name their interpreter, as with execvp(3).
const shell = "/bin/sh"

// findProgram returns the file that a command names. It refuses a file that cannot be run, as far
// as that can be known without running it: nobody should wait for the lock of a mistyped command.
func findProgram(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) { // a . in $PATH is its owner's choice
		return "", notRun(name, err)
	}
	if isNoProgram(path) {
		return "", notRun(name, unix.ENOEXEC)
	}
	file := path
	const deepest = 5 // as in Linux: an interpreter may be a script, too
	for range deepest {
		loader := loaderOf(file)
		if loader == "" {
			break
		}
		err := unix.Faccessat(unix.AT_FDCWD, loader, unix.X_OK, unix.AT_EACCESS)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", exit.With(exitNotFound, fmt.Errorf("%s: cannot be executed: what is to run it, %s, does not exist", name, term.Printable(loader)))
		case err != nil:
			return "", exit.With(exitNotRun, fmt.Errorf("%s: cannot be executed: what is to run it, %s: %w", name, term.Printable(loader), err))
		}
		file = loader
	}
	return path, nil
}

// headSize is how much of a file the kernel reads to find out what runs it.
const headSize = 256

// headOf is the beginning of a file; empty for a file that may be run, but not read.
func headOf(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, _ := io.ReadFull(f, head) // a short file is fine
	return head[:n]
}

// loaderOf is the program that the kernel starts to run a file: the interpreter of a script, or the
// loader of a program with shared libraries. It is "" if there is none, or we cannot know.
func loaderOf(path string) string {
	head := headOf(path)
	if line, isScript := bytes.CutPrefix(head, []byte("#!")); isScript {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		words := strings.FieldsFunc(string(line), func(r rune) bool { return r == ' ' || r == '\t' })
		if len(words) == 0 {
			return ""
		}
		return words[0]
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return ""
	}
	return elfLoader(path)
}

// elfLoader returns the loader of a program for machines like this one. For another machine's
// program it returns "": only the kernel knows what may run that.
func elfLoader(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	self, err := elf.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer self.Close()
	if f.Machine != self.Machine || f.Class != self.Class {
		return ""
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name, _ := io.ReadAll(io.LimitReader(p.Open(), unix.PathMax))
			return strings.TrimRight(string(name), "\x00")
		}
	}
	return ""
}

// isText reports whether a file may be a shell script, by bash's rule.
func isText(head []byte) bool {
	first, _, _ := bytes.Cut(head, []byte("\n"))
	return !bytes.HasPrefix(head, []byte(elf.ELFMAG)) && !bytes.ContainsRune(first, 0)
}

// isNoProgram reports whether nothing here can run a file: it is neither a text nor a whole program,
// and the kernel knows no other kinds.
func isNoProgram(path string) bool {
	const elfHeader = 52 // bytes, of a program for 32 bits
	head := headOf(path)
	if head == nil || isText(head) || bytes.HasPrefix(head, []byte(elf.ELFMAG)) && len(head) >= elfHeader {
		return false
	}
	kinds, _ := os.ReadDir("/proc/sys/fs/binfmt_misc")
	return !slices.ContainsFunc(kinds, func(kind os.DirEntry) bool { return kind.Name() != "register" && kind.Name() != "status" })
}

// asScript is the command line that runs a file as a shell script, for a file that the kernel
// cannot run.
func asScript(path string, args []string) (line []string, ok bool) {
	head := headOf(path)
	if head == nil || !isText(head) {
		return nil, false
	}
	if !strings.Contains(path, "/") {
		path = "./" + path // or it could be taken for a flag
	}
	return append([]string{shell, path}, args[1:]...), true
}

// notRun returns the error that says why the command cannot be run, with its exit code.
func notRun(command string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exit.With(exitNotFound, fmt.Errorf("%s: command not found", command))
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without the path, which may be the command itself
	}
	return exit.With(exitNotRun, fmt.Errorf("%s: cannot be executed: %w", command, err))
}
