package engine

// Member is a machine that keeps the engine's data, as all see it.
type Member struct {
	ID      uint64
	Name    string // "" until it has run for the first time
	Address string // HOST:PORT
	Learner bool   // it does not vote yet
}

// Status is how an engine is, as far as one of its members knows without asking the others.
type Status struct {
	ID      uint64 // of that member
	Local   bool   // it is in this process
	Cluster uint64 // id of the cluster: another one after it was restored from a backup
	Leader  uint64 // id of the member that leads, 0 if there is none
	Term    uint64 // number of the election
	Members []Member
	Bytes   int64    // size of the database
	InUse   int64    // the part of it that is in use
	Quota   int64    // what Bytes may be
	Alarms  []string // such as "NOSPACE", each once
	Version string
}

// LeaderName is the name of the member that leads, "" if there is none.
func (s *Status) LeaderName() string {
	for _, m := range s.Members {
		if m.ID == s.Leader {
			return m.Name
		}
	}
	return ""
}
