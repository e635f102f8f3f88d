package cli

var UnknownVariables = unknownVariables
