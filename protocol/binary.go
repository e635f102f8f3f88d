package protocol

// The binary protocol: every request and every reply is a packet, which begins with a header
// of 24 bytes. All numbers are in network order.
//
//	0 magic  1 opcode  2 key length  4 extras length  5 data type  6 status (of a reply)
//	8 body length  12 opaque  16 CAS  24 extras, key, value: the body

const (
	headerSize   = 24
	requestMagic = 0x80
	replyMagic   = 0x81
)

// maxBody is the largest length, in bytes, that a packet may give for its body.
const maxBody = 1 << 30

// Opcodes. Those that end with Q are quiet.
const (
	opGet        = 0x00
	opSet        = 0x01
	opAdd        = 0x02
	opReplace    = 0x03
	opDelete     = 0x04
	opIncrement  = 0x05
	opDecrement  = 0x06
	opQuit       = 0x07
	opFlush      = 0x08
	opGetQ       = 0x09
	opNoop       = 0x0a
	opVersion    = 0x0b
	opGetK       = 0x0c
	opGetKQ      = 0x0d
	opAppend     = 0x0e
	opPrepend    = 0x0f
	opStat       = 0x10
	opSetQ       = 0x11
	opAddQ       = 0x12
	opReplaceQ   = 0x13
	opDeleteQ    = 0x14
	opIncrementQ = 0x15
	opDecrementQ = 0x16
	opQuitQ      = 0x17
	opFlushQ     = 0x18
	opAppendQ    = 0x19
	opPrependQ   = 0x1a
	opTouch      = 0x1c
	opGAT        = 0x1d
	opGATQ       = 0x1e
	opSASLList   = 0x20
	opSASLAuth   = 0x21
	opSASLStep   = 0x22
	opGATK       = 0x23
	opGATKQ      = 0x24
)

// status is the outcome that a reply gives in its header.
type status uint16

const (
	statusOK           status = 0x00
	statusNotFound     status = 0x01
	statusExists       status = 0x02
	statusTooLarge     status = 0x03
	statusInvalid      status = 0x04
	statusNotStored    status = 0x05
	statusNotNumber    status = 0x06
	statusAuthFailure  status = 0x20
	statusAuthContinue status = 0x21
	statusUnknown      status = 0x81
	statusNoMemory     status = 0x82
	statusInternal     status = 0x84
)

// statusTexts has what the reply to a request that failed says as its value.
var statusTexts = map[status]string{
	statusNotFound:    "Not found",
	statusExists:      "Data exists for key.",
	statusTooLarge:    "Too large.",
	statusInvalid:     "Invalid arguments",
	statusNotStored:   "Not stored.",
	statusNotNumber:   "Non-numeric server-side value for incr or decr",
	statusAuthFailure: "Auth failure.",
	statusUnknown:     "Unknown command",
	statusNoMemory:    "Out of memory",
}

// command is the form of the packets with one opcode.
type command struct {
	verb    Verb // 0 if the opcode is unknown
	extras  uint8
	key     keyRule
	value   bool // there may be one
	quiet   bool // a success has no reply; for a get, a miss has none
	withKey bool // the reply has the key
}

// keyRule says whether a packet has a key.
type keyRule uint8

const (
	noKey keyRule = iota
	needsKey
	mayHaveKey
)

// Lengths, in bytes, of the extras.
const (
	storeExtras  = 8  // flags, exptime
	arithExtras  = 20 // delta, initial value, exptime
	touchExtras  = 4  // exptime
	delayExtras  = 4  // of a flush, which may have none
	flagsExtras  = 4  // of a reply that shows an item
	numberLength = 8  // of the value in the reply to increment and decrement
)

// commands has the form of each opcode. memcached takes the value that touch, a gat or stat has
// for the next packet; here it is read and ignored.
var commands = [256]command{
	opGet:        {verb: Get, key: needsKey},
	opGetQ:       {verb: Get, key: needsKey, quiet: true},
	opGetK:       {verb: Get, key: needsKey, withKey: true},
	opGetKQ:      {verb: Get, key: needsKey, withKey: true, quiet: true},
	opGAT:        {verb: Gat, key: needsKey, extras: touchExtras, value: true},
	opGATQ:       {verb: Gat, key: needsKey, extras: touchExtras, value: true, quiet: true},
	opGATK:       {verb: Gat, key: needsKey, extras: touchExtras, value: true, withKey: true},
	opGATKQ:      {verb: Gat, key: needsKey, extras: touchExtras, value: true, withKey: true, quiet: true},
	opTouch:      {verb: Touch, key: needsKey, extras: touchExtras, value: true},
	opSet:        {verb: Set, key: needsKey, extras: storeExtras, value: true},
	opSetQ:       {verb: Set, key: needsKey, extras: storeExtras, value: true, quiet: true},
	opAdd:        {verb: Add, key: needsKey, extras: storeExtras, value: true},
	opAddQ:       {verb: Add, key: needsKey, extras: storeExtras, value: true, quiet: true},
	opReplace:    {verb: Replace, key: needsKey, extras: storeExtras, value: true},
	opReplaceQ:   {verb: Replace, key: needsKey, extras: storeExtras, value: true, quiet: true},
	opAppend:     {verb: Append, key: needsKey, value: true},
	opAppendQ:    {verb: Append, key: needsKey, value: true, quiet: true},
	opPrepend:    {verb: Prepend, key: needsKey, value: true},
	opPrependQ:   {verb: Prepend, key: needsKey, value: true, quiet: true},
	opDelete:     {verb: Delete, key: needsKey},
	opDeleteQ:    {verb: Delete, key: needsKey, quiet: true},
	opIncrement:  {verb: Incr, key: needsKey, extras: arithExtras},
	opIncrementQ: {verb: Incr, key: needsKey, extras: arithExtras, quiet: true},
	opDecrement:  {verb: Decr, key: needsKey, extras: arithExtras},
	opDecrementQ: {verb: Decr, key: needsKey, extras: arithExtras, quiet: true},
	opFlush:      {verb: FlushAll, extras: delayExtras},
	opFlushQ:     {verb: FlushAll, extras: delayExtras, quiet: true},
	opStat:       {verb: Stats, key: mayHaveKey, value: true},
	opNoop:       {verb: Noop},
	opVersion:    {verb: Version},
	opQuit:       {verb: Quit},
	opQuitQ:      {verb: Quit, quiet: true},
	opSASLList:   {verb: Mechanisms},
	opSASLAuth:   {verb: Login, key: needsKey, value: true},
	opSASLStep:   {verb: Login, key: needsKey, value: true},
}
