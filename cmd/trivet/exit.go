package main

import (
	"errors"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Exit codes, as the help of trivet lists them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitCondition   = 4
	exitUnavailable = 5
)

const exitCodesHelp = `Exit codes:
  0  done
  1  failed
  2  wrong usage: a command, flag, argument, variable or configuration file
  3  not found: the key, version, token or context does not exist
  4  the condition of the write did not hold, or a compare of the transaction
  5  the server could not be reached or did not answer in time`

// usageError is a mistake on the command line.
type usageError struct{ error }

// serverError is a failure of a server that runs in this process. Codes within
// it speak to its clients, not to whoever started it.
type serverError struct{ cause error }

func (e serverError) Error() string { return e.cause.Error() }

func exitCode(err error) int {
	var usage usageError
	var variable *config.Error
	if errors.As(err, &usage) || errors.As(err, &variable) {
		return exitUsage
	}
	switch kv.CodeOf(err) {
	case "":
		return exitOK
	case kv.CodeInvalidArgument:
		return exitUsage
	case kv.CodeNotFound:
		return exitNotFound
	case kv.CodeVersionMismatch, kv.CodeAlreadyExists:
		return exitCondition
	case kv.CodeUnavailable, kv.CodeOverloaded, kv.CodeTimeout:
		return exitUnavailable
	default:
		return exitFailed
	}
}

// message is what is printed of an error.
func message(err error) string {
	e, ok := err.(*kv.Error) //nolint:errorlint // one that is wrapped has a text around it
	if !ok {
		return err.Error()
	}
	text := e.Detail
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text + " (" + string(e.Code) + ")"
}
