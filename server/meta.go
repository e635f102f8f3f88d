package server

import "github.com/lockcached/lockcached/protocol"

// meta answers the meta commands.
func (c *conn) meta(q *protocol.Request) bool {
	if q.Verb == protocol.MetaNoop {
		c.out.Line("MN")
		return true
	}
	c.out.Line("ERROR")
	return true
}
