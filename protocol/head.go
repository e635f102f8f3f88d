package protocol

// Head is the part of a Request that decides the form of its reply. It can be kept for longer
// than the Request, so that the reply can be put together later.
type Head struct {
	Verb    Verb
	NoReply bool // not even a fault has a reply

	isPacket bool // of the binary protocol; then the reply repeats:
	opcode   byte
	opaque   [4]byte
}

func packetHead(form *command, header []byte) Head {
	h := Head{Verb: form.verb, isPacket: true, opcode: header[1]}
	copy(h.opaque[:], header[12:16])
	return h
}

// Quiet reports whether the client does not want to be told of a success.
func (h *Head) Quiet() bool { return h.NoReply || h.isPacket && commands[h.opcode].quiet }

// withKey reports whether the reply to a get in the binary protocol has the key.
func (h *Head) withKey() bool { return commands[h.opcode].withKey }
