package command

// Exit codes of commands, besides those of package exit. 74 and 75 are from sysexits.h, which few
// programs use; 124 is timeout(1)'s, and the last three are the shells'.
const (
	exitLost     = 74  // EX_IOERR: the lock was lost while the command ran
	exitNotTaken = 75  // EX_TEMPFAIL: the lock was not obtained
	exitTooLong  = 124 // the command ran for too long
	exitNotRun   = 126
	exitNotFound = 127
	exitSignal   = 128 // plus the signal's number
)

// exitCodes lists all exit codes; docs/command-line.md has the same table.
var exitCodes = [...]struct{ code, of, meaning string }{
	{"0", "all", "done; of lock: the command's own, as any other code is"},
	{"1", "all but lock", "it failed: standard error says why"},
	{"2", "all", "the command line or the environment is wrong; nothing was done"},
	{"74", "lock", "the lock was lost while the command ran, or before that had ended"},
	{"75", "lock, acquire", "the lock was not obtained: somebody else has it, or no server answers"},
	{"--conflict-exit-code", "lock, acquire", "somebody else has the lock, instead of 75"},
	{"124", "lock", "the command ran for longer than --max-run, and was ended"},
	{"126", "lock", "the command cannot be executed; no lock was taken"},
	{"127", "lock", "the command was not found; no lock was taken"},
	{"128 + n", "lock, acquire", "signal n ended the command, or came while they waited for the lock"},
}

// exitNotes is the table of exit codes, for the help.
func exitNotes() string {
	t := newTable()
	for _, e := range exitCodes {
		t.row("  "+e.code, e.of, e.meaning)
	}
	return "\nExit codes:\n" + t.String()
}
