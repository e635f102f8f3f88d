package command

import "github.com/lockcached/lockcached/cli/internal/argv"

// A Page is what the manual says of one command.
type Page struct {
	Name, Args string
	About      string // a line without its full stop
	Notes      string // paragraphs, as for a terminal
	Flags      []argv.Described
}

// Pages returns those of all commands, in the order of the help.
func Pages() []Page {
	var all []Page
	for _, c := range allCommands() {
		p := Page{Name: c.name, Args: c.args, About: c.about, Notes: c.notes}
		for _, o := range c.task().options() {
			p.Flags = append(p.Flags, argv.Described{Flag: o.spelling(), Usage: o.usage, Variable: o.variable})
		}
		all = append(all, p)
	}
	return all
}

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
