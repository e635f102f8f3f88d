package cli

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// envPrefix begins all our variables.
const envPrefix = "LOCKCACHED_"

// kubernetesVariable fits what Kubernetes sets in every pod beside a service whose name is
// lockcached, or begins so; and there is LOCKCACHED_PORT=tcp://...
var kubernetesVariable = regexp.MustCompile(`^LOCKCACHED_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)$`)

// testVariables are those of this repository's tests, which start servers as well.
var testVariables = regexp.MustCompile(`^LOCKCACHED_(TEST_.*|TORTURE_.*|MEMCACHED|REQUIRE_PEERS|ROUNDS|CRASHES)$`)

// knownVariables are those that mean something to the server or to a command.
func knownVariables() []string {
	known := []string{keyEnv, tokenEnv, heldEnv}
	for i := range flags {
		known = append(known, flags[i].env())
	}
	for _, c := range allCommands() {
		for _, o := range c.task().options() {
			if o.variable != "" {
				known = append(known, o.variable)
			}
		}
	}
	return known
}

// unknownVariables has a sentence for each variable in the environment that has our prefix
// and no meaning: most often it is misspelt.
func unknownVariables() (warnings []string) {
	var known []string
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || value == "" || isForeign(name, value) {
			continue
		}
		if known == nil {
			known = knownVariables()
		}
		if !slices.Contains(known, name) {
			word := name[len(envPrefix):]
			near := nearest(word, withoutPrefix(known), max(1, len(word)/3))
			if near != "" {
				near = envPrefix + near
			}
			warnings = append(warnings, shown(name)+" is set, but there is no such variable"+suggest(near))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// isForeign tells variables that others set, and that mean nothing to us.
func isForeign(name, value string) bool {
	return kubernetesVariable.MatchString(name) || testVariables.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// withoutPrefix leaves out what all names have in common, which would make all of them near.
func withoutPrefix(names []string) []string {
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = strings.TrimPrefix(name, envPrefix)
	}
	return short
}

// warnOfVariables is for commands; the server logs the same.
func (a *app) warnOfVariables() {
	for _, warning := range unknownVariables() {
		fmt.Fprintf(a.stderr, "lockcached: warning: %s\n", warning)
	}
}
