package command

// A helpCommand is "lockcached help".
type helpCommand struct{ commands commands }

func (*helpCommand) options() []option { return nil }

func (h *helpCommand) run(a *App, args arguments) error {
	words := args.all()
	if len(words) == 0 {
		return a.ServerHelp()
	}
	c := h.commands.named(words[0])
	if c == nil {
		return h.commands.refuse(words[0])
	}
	return c.Run(a, []string{"--help"})
}
