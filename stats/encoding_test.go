package stats

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func contendedRecord() *Record {
	r := &Record{HoldLaw: new(Histogram), WaitLaw: new(Histogram), Counters: Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}
	random := rand.New(rand.NewPCG(1, 0))
	for range 1000 {
		took := time.Duration(random.ExpFloat64() * float64(time.Second))
		r.Hold.Add(took)
		r.HoldLaw.Add(took)
		r.WaitLaw.Add(took / 3)
		r.Wait.Add(took / 3)
	}
	r.HoldLaw.Censor(time.Minute)
	r.Censored.Add(time.Minute)
	return r
}

// A decoded record says the same as the encoded one, and goes on as that would.
func TestRecordSurvivesEncoding(t *testing.T) {
	for name, r := range map[string]*Record{"empty": {}, "contended": contendedRecord()} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			got := new(Record)
			if err := json.Unmarshal(text, got); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if a, b := line(got.Fields()), line(r.Fields()); a != b {
					t.Errorf("fields are\n%s, want\n%s", a, b)
				}
				for _, x := range []*Record{r, got} {
					x.Hold.Add(7 * time.Second)
					x.HoldLaw = merged(x.HoldLaw, new(Histogram))
					x.HoldLaw.Add(7 * time.Second)
				}
			}
		})
	}
}

// Files that later versions have to read contain these names.
func TestEncodingIsStable(t *testing.T) {
	r := Record{HoldLaw: new(Histogram), Counters: Counters{Acquired: 1, Overrun: 9}}
	r.Hold.Add(2 * time.Microsecond)
	text, err := json.Marshal(&r)
	const want = `{"Hold":{"Count":1,"Weight":1,"Weight2":1,"Mean":2000,"M2":0,"Min":2000,"Max":2000},` +
		`"Censored":{"Count":0,"Weight":0,"Weight2":0,"Mean":0,"M2":0,"Min":0,"Max":0},` +
		`"Wait":{"Count":0,"Weight":0,"Weight2":0,"Mean":0,"M2":0,"Min":0,"Max":0},` +
		`"Gap":{"Count":0,"Weight":0,"Weight2":0,"Mean":0,"M2":0,"Min":0,"Max":0},` +
		`"Acquired":1,"Refused":0,"HandedOff":0,"Released":0,"Expired":0,"Renewed":0,"WaitTimeouts":0,"Withdrawn":0,"Overrun":9,"Deadlocks":0,` +
		`"HoldLaw":{"Count":0,"Unit":0,"Released":{"From":0,"N":null},"Censored":{"From":0,"N":null}},"WaitLaw":null}`
	if err != nil || string(text) != want {
		t.Errorf("%v, encoded as\n%s, want\n%s", err, text, want)
	}
}

func TestEncodingRefusesNonsense(t *testing.T) {
	sixteen := "[" + strings.TrimSuffix(strings.Repeat("1,", 16), ",") + "]"
	for _, tt := range []struct{ name, text string }{
		{"weight-negative", `{"Hold":{"Count":1,"Weight":-1}}`},
		{"weight-of-nothing", `{"Hold":{"Count":0,"Weight":1}}`},
		{"min-above-max", `{"Hold":{"Count":1,"Weight":1,"Min":2,"Max":1}}`},
		{"buckets-before-the-first", `{"HoldLaw":{"Released":{"From":-16,"N":` + sixteen + `}}}`},
		{"buckets-past-the-last", `{"HoldLaw":{"Released":{"From":464,"N":` + sixteen + `}}}`},
		{"part-of-an-octave", `{"HoldLaw":{"Censored":{"From":16,"N":[1]}}}`},
		{"count-negative", `{"HoldLaw":{"Censored":{"From":16,"N":` + strings.Replace(sixteen, "1", "-1", 1) + `}}}`},
		{"unit-too-large", `{"HoldLaw":{"Unit":1e13}}`},
		{"no-number", `{"Hold":{"Count":"x"}}`},
	} {
		if err := json.Unmarshal([]byte(tt.text), new(Record)); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

// A decoded record fades only from Resume on, not from the zero of the new process's clock.
func TestResume(t *testing.T) {
	r := contendedRecord()
	before := r.Hold.Weight()
	r.Resume(100 * time.Hour)
	r.Age(100*time.Hour + time.Minute)
	if after := r.Hold.Weight(); after < 0.98*before {
		t.Errorf("a weight of %v has faded to %v within a minute", before, after)
	}
}
