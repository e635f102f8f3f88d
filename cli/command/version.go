package command

import (
	"runtime"

	"github.com/lockcached/lockcached/server"
)

// A versioning is "lockcached version".
type versioning struct{ json bool }

func newVersion() task { return new(versioning) }

func (v *versioning) options() []option {
	return []option{{long: "json", usage: "print one JSON document", take: turnOn(&v.json)}}
}

func (v *versioning) run(a *App, args arguments) error {
	if err := args.wordless("version"); err != nil {
		return err
	}
	document := fields{{"version", server.Release}, {"memcached", server.Version}, {"go", runtime.Version()}}
	return a.print(v.json, document, func() string { return a.Version + "\n" })
}
