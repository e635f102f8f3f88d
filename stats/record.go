package stats

// Record is what is known of the past of one lock, or of a class of locks. The
// zero value is a lock that was never claimed.
type Record struct {
	Hold     Moments // from grant to release
	Censored Moments // holds ended by expiry: known only to be at least that long, so kept out of Hold
	Wait     Moments // from the first refused or queued claim to the grant, of grants that waited
	Gap      Moments // how long the lock was free although somebody waited; 0 at a hand-off
	Counters
}

// Merge adds what o knows.
func (r *Record) Merge(o *Record) {
	r.Hold.Merge(&o.Hold)
	r.Censored.Merge(&o.Censored)
	r.Wait.Merge(&o.Wait)
	r.Gap.Merge(&o.Gap)
	r.Counters.Merge(&o.Counters)
}

// Fields are the record's numbers with their names on the wire, in the order in
// which they are printed. What was never observed is 0, and its count says so.
func (r *Record) Fields() []Field {
	f := momentsFields("hold", &r.Hold)
	f = append(f, countField("censored_count", r.Censored.Count()))
	f = append(f, momentsFields("wait", &r.Wait)...)
	f = append(f, msField("gap_mean_ms", r.Gap.Mean()))
	return append(f, r.Counters.Fields()...)
}

// momentsFields names what Moments know. Quantiles need more than moments; once
// they are measured, their place is between the deviation and the minimum.
func momentsFields(of string, m *Moments) []Field {
	return []Field{
		countField(of+"_count", m.Count()),
		msField(of+"_mean_ms", m.Mean()),
		msField(of+"_stddev_ms", m.Stddev()),
		msField(of+"_min_ms", float64(m.Min())),
		msField(of+"_max_ms", float64(m.Max())),
	}
}
