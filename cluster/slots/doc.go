// Package slots decides which node of a cluster serves which keys.
//
// Keys are divided into slots. A slot is served by one incarnation of a node, its owner, and the
// map in the engine says by which. An owner changes only by a compare-and-swap of the map, made
// either by a member that has read the absence of the old owner, or by the old owner itself
// after it has stopped serving the slot and has committed everything.
//
// An incarnation is a member while its key exists in the engine. Whoever deletes that key fences
// the incarnation: it can commit nothing more, for ever, since its name never returns. So a
// suspicion that was wrong costs a fail-over, and never two holders. No clock is part of this.
//
// The chain of a slot is the incarnations whose journals, read one after the other, make its
// locks; the last one is the owner. A new owner reads the chain, serves, writes a checkpoint, and
// then shortens the chain to itself.
//
// In the engine, below Config.Prefix: map, and member/INCARNATION for each member.
package slots
