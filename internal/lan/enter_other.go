//go:build !linux

package lan

import "errors"

// Enter fails: only Linux has network namespaces.
func (l *LAN) Enter(int, func()) error { return errors.New("lan: only Linux has network namespaces") }
