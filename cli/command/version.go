package command

import (
	"runtime"

	"github.com/lockcached/lockcached/server"
)

// A versionCommand is "lockcached version".
type versionCommand struct{ json bool }

func newVersion() task { return new(versionCommand) }

func (v *versionCommand) options() []option {
	return []option{{long: "json", usage: "print one JSON document", take: turnOn(&v.json)}}
}

func (v *versionCommand) run(a *App, args arguments) error {
	if err := args.wordless("version"); err != nil {
		return err
	}
	document := fields{{"version", server.Release}, {"memcached", server.Version}, {"go", runtime.Version()}}
	return a.print(v.json, document, func() string { return a.Version + "\n" })
}
