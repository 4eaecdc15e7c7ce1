package till_test

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// refuseApproved sends a command with the proof of a person, and wants a refusal.
func refuseApproved(t *testing.T, c *tilltest.Client, person, pin, code, do string, pairs ...any) {
	t.Helper()
	a := c.Send(map[string]any{
		"id": tilltest.NewID(time.Now()), "do": do, "args": tilltest.Args(pairs...), "approval": map[string]any{"person": person, "pin": pin},
	})
	if a.Error == nil || a.Error.Code != code {
		t.Errorf("%s with the proof of %s was answered %s %+v, want %s", do, person, a.Result, a.Error, code)
	}
}

// Requirement: POS-06
func TestNobodyElsesPINProvesWhoIAm(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna, ada := shop.As(staff.Operator), shop.As(staff.Administrator)
	refuseApproved(t, anna, "3", tilltest.PIN, "needs-proof", "people.pin", "id", "2", "pin", "8531")
	refuseApproved(t, ada, "2", tilltest.PIN, "needs-proof", "people.add", "id", "20", "name", "Zoe", "role", "operator", "pin", "7193")
	ada.Approved(staff.Administrator, "people.add", "id", "20", "name", "Zoe", "role", "operator", "pin", "7193")
}

func TestAStrangerAtTheSignInKeepsNobodyFromUnlocking(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna, stranger := shop.As(staff.Operator), shop.Client()
	anna.Do("session.lock")
	for range 4 {
		stranger.Post("/api/sign-in", map[string]string{"person": "2", "pin": "0001"})
	}
	if status, body := stranger.Post("/api/sign-in", map[string]string{"person": "2", "pin": tilltest.PIN}); status == 200 {
		t.Fatalf("the sign-in is not slowed: %s", body)
	}
	anna.Do("session.unlock", "pin", tilltest.PIN)
	for range 40 {
		anna.Do("session.lock")
		anna.Do("session.unlock", "pin", tilltest.PIN)
	}
	anna.Approved(staff.Operator, "people.pin", "id", "2", "pin", "8531")
	if status, body := stranger.Post("/api/sign-in", map[string]string{"person": "2", "pin": "8531"}); status != 200 {
		t.Errorf("sign-in with the new PIN: %d %s", status, body)
	}
}
