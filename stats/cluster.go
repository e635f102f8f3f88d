package stats

// Cluster is what a node of a cluster reports for metrics.
type Cluster struct {
	Quorum    bool   // answers about locks can be confirmed
	Members   int    // nodes that are in the cluster now
	Missing   int    // nodes that belong to it, and are not
	Slots     int    // that this node serves
	Retries   uint64 // transactions that were tried again because nobody knew what came of them
	Fenced    uint64 // times that others have taken this node for dead
	Commits   Tally  // how long transactions took that wrote something
	Confirms  Tally  // how long those took that only confirmed
	TakeOvers Tally  // how long it took to read the locks of slots, up to serving them
	Batches   Sizes  // entries of a batch
	Peers     []ClusterPeer
	Engine    ClusterEngine
}

// ClusterPeer is another node.
type ClusterPeer struct {
	Name      string
	Up        bool   // it is heard
	Forwarded uint64 // requests of this node's clients that it was asked to carry out
}

// ClusterEngine is the store below a cluster.
type ClusterEngine struct {
	Leads               bool  // this node's member does
	HasLeader           bool  // some member does
	Bytes, InUse, Quota int64 // of its database
	Alarms              []string
}
