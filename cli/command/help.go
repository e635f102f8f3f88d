package command

// A helping is "lockcached help".
type helping struct{}

func newHelp() task { return helping{} }

func (helping) options() []option { return nil }

func (helping) run(a *App, args arguments) error {
	words := args.all()
	if len(words) == 0 {
		return a.ServerHelp()
	}
	c := findCommand(words[0])
	if c == nil {
		return noCommand(words[0])
	}
	return c.Run(a, []string{"--help"})
}
