package till_test

import (
	"testing"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// Requirement: POS-06
func TestWhoeverLowersTheirOwnRoleHasItAtOnce(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	ada := shop.As(staff.Administrator)
	ada.Approved(staff.Responsible, "people.add", "id", "21", "name", "Bea", "role", "administrator", "pin", "7193")
	ada.Approved(staff.Responsible, "people.change", "id", "1", "role", "operator")
	ada.Refuse("forbidden", "people.add", "id", "22", "name", "Eve", "role", "operator", "pin", "7193")
	if s := ada.State().Session; s == nil || s.Person.Role != staff.Operator {
		t.Errorf("session = %+v", s)
	}
	ada.Do("basket.add", "sku", "BRD-01")
}
