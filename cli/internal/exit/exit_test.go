package exit

import (
	"errors"
	"fmt"
	"testing"
)

func TestCode(t *testing.T) {
	fault := errors.New("fault")
	for _, tt := range []struct {
		name   string
		err    error
		code   int
		silent bool
	}{
		{"none", nil, 0, true},
		{"pipe-closed", fmt.Errorf("help: %w", ErrPipeClosed), 0, true},
		{"plain", fault, Failed, false},
		{"refusal", Refuse("-t 0", "should be more"), Refused, false},
		{"own-code", With(75, fault), 75, false},
		{"own-code-wrapped", fmt.Errorf("lock: %w", With(75, fault)), 75, false},
		{"own-code-silent", With(75, nil), 75, true},
		{"own-code-of-a-refusal", With(75, Refuse("-t 0", "should be more")), Refused, false},
	} {
		if Code(tt.err) != tt.code || IsSilent(tt.err) != tt.silent {
			t.Errorf("%s: %d, silent %v", tt.name, Code(tt.err), IsSilent(tt.err))
		}
	}
}
