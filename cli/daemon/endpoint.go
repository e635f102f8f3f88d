package daemon

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
)

// An endpoint is one address of -l.
type endpoint struct {
	text    string // as it was given
	host    string // "*" is every address there is
	port    int
	ownPort bool // given here; otherwise it is that of -p
	tls     tlsMode
}

// portFlag is the flag that the port comes from.
func (e *endpoint) portFlag() string {
	if e.ownPort {
		return "-l"
	}
	return "-p"
}

func setListen(c *config, value string) error {
	for text := range strings.SplitSeq(value, ";") { // memcached takes both , and ;
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		e, err := parseEndpoint(text)
		if err != nil {
			return err
		}
		// Start-up files may name the same address in two places.
		if !slices.Contains(c.listen, e) {
			c.listen = append(c.listen, e)
		}
	}
	return nil
}

// parseEndpoint reads an address of -l, which may begin with a tlsMode.
func parseEndpoint(text string) (endpoint, error) {
	mode, address := cutTLSMode(text)
	for _, prefix := range []string{"proto[", "tag[", "tag_"} {
		if strings.HasPrefix(address, prefix) {
			return endpoint{}, fmt.Errorf("%s... is not supported: every address speaks ascii; leave it out", prefix)
		}
	}
	a, err := argv.ParseAddress(address)
	return endpoint{text: text, host: a.Host, port: a.Port, ownPort: a.HasPort, tls: mode}, err
}

func joinEndpoints(list []endpoint) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.text
	}
	return strings.Join(texts, ",")
}
