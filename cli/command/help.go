package command

// A helping is "lockcached help".
type helping struct{ commands commands }

func (*helping) options() []option { return nil }

func (h *helping) run(a *App, args arguments) error {
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
