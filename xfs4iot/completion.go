package xfs4iot

// CompletionCode says how a command ended.
type CompletionCode string

// The completion codes of release 2024-3.
const (
	Success                CompletionCode = "success"
	CommandErrorCode       CompletionCode = "commandErrorCode" // see errorCode in the payload
	Canceled               CompletionCode = "canceled"
	DeviceNotReady         CompletionCode = "deviceNotReady"
	HardwareError          CompletionCode = "hardwareError"
	InternalError          CompletionCode = "internalError"
	InvalidCommand         CompletionCode = "invalidCommand" // not allowed now
	InvalidRequestID       CompletionCode = "invalidRequestID"
	TimeOut                CompletionCode = "timeOut"
	UnsupportedCommand     CompletionCode = "unsupportedCommand"
	InvalidData            CompletionCode = "invalidData"
	UserError              CompletionCode = "userError"
	UnsupportedData        CompletionCode = "unsupportedData"
	FraudAttempt           CompletionCode = "fraudAttempt"
	SequenceError          CompletionCode = "sequenceError"
	AuthorisationRequired  CompletionCode = "authorisationRequired"
	NoCommandNonce         CompletionCode = "noCommandNonce"
	InvalidToken           CompletionCode = "invalidToken"
	InvalidTokenNonce      CompletionCode = "invalidTokenNonce"
	InvalidTokenHMAC       CompletionCode = "invalidTokenHMAC"
	InvalidTokenFormat     CompletionCode = "invalidTokenFormat"
	InvalidTokenKeyNoValue CompletionCode = "invalidTokenKeyNoValue"
	NotEnoughSpace         CompletionCode = "notEnoughSpace"
)

// authorizationRequired is how 2021-1 spells AuthorisationRequired.
const authorizationRequired CompletionCode = "authorizationRequired"

// CompletionCodes lists every code in the order of the specification.
func CompletionCodes() []CompletionCode {
	return []CompletionCode{Success, CommandErrorCode, Canceled, DeviceNotReady, HardwareError,
		InternalError, InvalidCommand, InvalidRequestID, TimeOut, UnsupportedCommand, InvalidData,
		UserError, UnsupportedData, FraudAttempt, SequenceError, AuthorisationRequired, NoCommandNonce,
		InvalidToken, InvalidTokenNonce, InvalidTokenHMAC, InvalidTokenFormat, InvalidTokenKeyNoValue,
		NotEnoughSpace}
}

// spelling gives the code as the generation writes it.
func (c CompletionCode) spelling(g Generation) CompletionCode {
	if g == Gen2021 && c == AuthorisationRequired {
		return authorizationRequired
	}
	return c
}

// canonical folds the accepted spellings into the constants above.
func (c CompletionCode) canonical() CompletionCode {
	if c == authorizationRequired {
		return AuthorisationRequired
	}
	return c
}

// neverStarted tells the codes with which a service refuses a command before the
// device did anything.
func (c CompletionCode) neverStarted() bool {
	switch c {
	case InvalidCommand, InvalidRequestID, UnsupportedCommand, InvalidData, UnsupportedData,
		SequenceError, AuthorisationRequired, NoCommandNonce, InvalidToken, InvalidTokenNonce,
		InvalidTokenHMAC, InvalidTokenFormat, InvalidTokenKeyNoValue, DeviceNotReady:
		return true
	}
	return false
}
