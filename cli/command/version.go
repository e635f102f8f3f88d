package cli

import (
	"runtime"

	"github.com/lockcached/lockcached/server"
)

// A versioning is "lockcached version".
type versioning struct{ json bool }

func newVersion() task { return new(versioning) }

func (v *versioning) options() []option {
	return []option{{flag: flag{long: "json", usage: "print one JSON document"}, take: func(string) error {
		v.json = true
		return nil
	}}}
}

func (v *versioning) run(a *app, args arguments) error {
	if err := args.wordless("version"); err != nil {
		return err
	}
	document := fields{{"version", server.Release}, {"memcached", server.Version}, {"go", runtime.Version()}}
	return a.print(v.json, document, func() string { return versionLine + "\n" })
}
