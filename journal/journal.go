// Package journal is a till's tamper-evident record: its one commit point and its only truth.
package journal
