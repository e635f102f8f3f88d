package command

import "time"

// closed returns how much longer a lock stays closed, and the server's flag that is the reason; 0 if
// the lock is open or held.
func closed(lock fields) (left time.Duration, flag string) {
	if lock.text("held") == "1" {
		return 0, ""
	}
	delay, settling := lock.ms("delay_ms"), lock.ms("settling_ms")
	switch {
	case settling == 0 && delay == 0:
		return 0, ""
	case settling >= delay:
		return settling, "--settle"
	}
	return delay, "--lock-delay"
}

// closedReason is closed as part of a sentence; "" if the lock is open or held.
func closedReason(lock fields) string {
	switch left, flag := closed(lock); {
	case left == 0:
		return ""
	case flag == "--settle":
		return "the server has just started and grants no lock for another " + about(left) + " (--settle)"
	default:
		return "it is closed for another " + about(left) + ", because its last hold expired or was withdrawn (--lock-delay)"
	}
}
