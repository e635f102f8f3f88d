package daemon

import "github.com/lockcached/lockcached/cli/internal/argv"

// normalise reads a command line as memcached does, for urfave/cli, which reads it differently.
// It returns each flag as --name or --name=value, and apart from them the words that belong to no
// flag.
func normalise(words []string) (named, rest []string, err error) {
	line, err := argv.Parse(words, argv.NewFlags(Flags()))
	if err != nil {
		return nil, nil, err
	}
	for _, given := range line.Flags {
		switch f := byLong[given.Name]; {
		case f.set == nil:
			named = append(named, "--"+given.Name)
		case f.isSwitch():
			named = append(named, "--"+given.Name+"=true")
		default:
			named = append(named, "--"+given.Name+"="+given.Value)
		}
	}
	return named, append(line.Words, line.Behind...), nil
}
