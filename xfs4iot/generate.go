package xfs4iot

//go:generate go run ./internal/gen
