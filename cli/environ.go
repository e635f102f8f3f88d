package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// kubernetesVariable matches the variables that Kubernetes sets in every pod beside a service whose
// name is lockcached or begins with it. It sets LOCKCACHED_PORT=tcp://..., too: see isForeign.
var kubernetesVariable = regexp.MustCompile(`^LOCKCACHED_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)$`)

// testVariables matches the variables of this repository's tests, which start servers.
var testVariables = regexp.MustCompile(`^LOCKCACHED_(TEST_.*|TORTURE_.*|.*_TESTS|MEMCACHED|REQUIRE_PEERS|ROUNDS|CRASHES|FILLERS|CUTS|PLANTED|PACKAGES|PICTURES|IN_COPY)$`)

// unknownVariables returns a warning for each variable in the environment that has our prefix but
// no meaning. Usually its name is misspelt.
func unknownVariables() (warnings []string) {
	var known []string
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, argv.EnvPrefix) || value == "" || isForeign(name, value) {
			continue
		}
		if known == nil {
			known = append(daemon.Variables(), command.Variables()...)
		}
		if !slices.Contains(known, name) {
			word := name[len(argv.EnvPrefix):]
			near := argv.Nearest(word, withoutPrefix(known), max(1, len(word)/3))
			if near != "" {
				near = argv.EnvPrefix + near
			}
			warnings = append(warnings, term.Printable(name)+" is set, but there is no such variable"+argv.Suggest(near))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// isForeign reports whether a variable is set by others, and means nothing to us.
func isForeign(name, value string) bool {
	return kubernetesVariable.MatchString(name) || testVariables.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// withoutPrefix cuts off the prefix: with it, all names would be similar.
func withoutPrefix(names []string) []string {
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = strings.TrimPrefix(name, argv.EnvPrefix)
	}
	return short
}
