package planted_test

import "fmt"

// notOnce says that there is not one place for a bug.
type notOnce struct {
	file, old string
	times     int
}

func (e *notOnce) Error() string {
	return fmt.Sprintf("%q is %d times in %s, should be there once: say anew where to plant it", e.old, e.times, e.file)
}

var bugs = []bug{
	{
		name: "transactions without the guard", file: "cluster/journal/serve.go",
		old: "guarded.If = append(member.Guard(), t.If...)", new: "guarded.If = t.If",
		found: journal, by: "TestReadsAreConfirmed|TestNextIncarnation",
	},
	{
		name: "guard without the member", file: "cluster/slots/incarnation.go",
		old:   "engine.CreatedAt(in.view.memberKey(in.self.Incarnation), in.self.created),\n\t\tengine.ModifiedAt",
		new:   "engine.ModifiedAt",
		found: slots, by: "TestGuard",
	},
	{
		name: "guard without the map", file: "cluster/slots/incarnation.go",
		old: "in.self.created),\n\t\tengine.ModifiedAt(in.view.mapKey(), revision),\n", new: "in.self.created),\n",
		found: slots, by: "TestGuard",
	},
	{
		name: "slots are not looked at after a change of the map", file: "cluster/slots/incarnation.go",
		old: "if in.node.serving[slot].Load() && present.owner(slot) != in.self.Incarnation {", new: "if false && present.owner(slot) == in.self.Incarnation {",
		found: slots, by: "TestMapTakesSlotsAway",
	},
	{
		name: "the map is changed from whatever is known", file: "cluster/slots/incarnation.go",
		old: "append(in.guardAt(from.revision), also...)", new: "append(in.Guard(), also...)",
		found: slots, by: "TestSwapOfAnEarlierMap",
	},
	{
		name: "reads are not confirmed", file: "cluster/journal/journal.go",
		old:   "func (j *Journal) Mark() uint64 {\n\tj.mu.Lock()\n\tdefer j.mu.Unlock()\n\tj.want()\n\treturn j.next.number\n",
		new:   "func (j *Journal) Mark() uint64 {\n\tj.mu.Lock()\n\tdefer j.mu.Unlock()\n\treturn j.confirmed\n",
		found: journal, by: "TestReadsAreConfirmed",
	},
	{
		name: "reads wait for a transaction that has begun", file: "cluster/journal/journal.go",
		old:   "func (j *Journal) Mark() uint64 {\n\tj.mu.Lock()\n\tdefer j.mu.Unlock()\n\tj.want()\n",
		new:   "func (j *Journal) Mark() uint64 {\n\tj.mu.Lock()\n\tdefer j.mu.Unlock()\n\tif j.current != nil {\n\t\treturn j.current.number\n\t}\n\tj.want()\n",
		found: journal, by: "TestReadsAreConfirmedByLaterTransactions",
	},
	{
		name: "a checkpoint counts before its walk is committed", file: "cluster/journal/checkpoint.go",
		old: "if err := j.Confirm(j.Mark()); err != nil {\n\t\treturn err\n\t}\n", new: "",
		found: journal, by: "TestCheckpointCountsLast",
	},
	{
		name: "a checkpoint counts although the map has changed", file: "cluster/journal/checkpoint.go",
		old: "slices.Concat(c.guard, also.If, ", new: "slices.Concat(also.If, ",
		found: journal, by: "TestCheckpointOvertaken",
	},
	{
		name: "a checkpoint deletes what a chain needs", file: "cluster/slots/incarnation.go",
		old: "in.node.config.Journal.Freeze(!in.alone(present))\n", new: "",
		found: slots, by: "TestCheckpointsWhileOthersRead",
	},
	{
		name: "leases are a second shorter after a take-over", file: "cluster/slots/takeover.go",
		old: "left := max(expires-at, 0)", new: "left := max(expires-at-time.Second, 0)",
		found: slots, by: "TestLeasesOutliveTheOwner|TestRemaining",
	},
	{
		name: "leases trust clocks to run alike", file: "cluster/slots/takeover.go",
		old: "return left + left/1000 + 1", new: "return left",
		found: slots, by: "TestRemaining",
	},
	{
		name: "a new owner's tokens begin anew", file: "cluster/slots/takeover.go",
		old: "n.config.Locks.RaiseToken(tokens)\n", new: "",
		found: slots, by: "TestTokensRiseOverOwners",
	},
	{
		name: "a journal forgets the tokens that were taken over", file: "cluster/slots/takeover.go",
		old: "n.config.Journal.RaiseToken(tokens)\n", new: "",
		found: slots, by: "TestTokensRiseOverOwners",
	},
	{
		name: "slots are handed over before everything is committed", file: "cluster/slots/handover.go",
		old: "err := n.config.Journal.Confirm(n.config.Journal.Mark())\n", new: "var err error\n",
		found: slots, by: "TestDrainWithBatchesInFlight",
	},
	{
		name: "slots are handed over while they are served", file: "cluster/slots/handover.go",
		old: "\tfor _, slot := range slots {\n\t\tn.serving[slot].Store(false)\n\t}\n", new: "",
		found: slots, by: "TestDrainWithBatchesInFlight|TestOneNodeComesLater",
	},
	{
		name: "an owner that is alive is taken over", file: "cluster/slots/takeover.go",
		old: "absent = append(absent, engine.Absent(in.view.memberKey(owner)))", new: "_ = absent",
		found: slots, by: "TestTakeOverOfTheLiving",
	},
	{
		name: "what a journal says about an earlier time counts", file: "cluster/slots/takeover.go",
		old: "if l.Incarnation == incarnation && revision > l.After {", new: "if l.Incarnation == incarnation {",
		found: slots, by: "TestLinkAt",
	},
	{
		name: "nobody is asked about a silent node", file: "cluster/slots/suspect.go",
		old: "if in.isVouchedFor(ctx, m, members) {", new: "if false {",
		found: slots, by: "TestTwoNodesCutFromEachOther",
	},
	{
		name: "gaps in a journal are skipped", file: "cluster/journal/read.go",
		old: "case err == nil && b.seq != next:", new: "case false:",
		found: journal, by: "TestDamage",
	},
	{
		name: "a connection that was given up is read on", file: "cluster/link/serve.go",
		old: "case s.number != s.sender.latest:", new: "case false:",
		found: links, by: "TestEarlierConnection",
	},
}
