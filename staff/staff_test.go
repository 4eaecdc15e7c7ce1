package staff_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/staff"
)

var update = flag.Bool("update", false, "write testdata/matrix.txt")

// Requirement: POS-03
// Requirement: DL-13
func TestEveryOperationWithEveryRoleIsAsTheMatrixSays(t *testing.T) {
	var b strings.Builder
	for _, op := range staff.Table() {
		fmt.Fprintf(&b, "%s\n", op.Name)
		for _, role := range staff.Roles() {
			d := staff.Allowed(role, op.Name)
			fmt.Fprintf(&b, "\t%-18s %s", role, d.Answer)
			if d.Answer == staff.NeedsApproval {
				fmt.Fprintf(&b, " by %v", d.By)
			}
			if d.Reauth {
				b.WriteString(", proves identity again")
			}
			b.WriteByte('\n')
		}
	}
	const file = "testdata/matrix.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("matrix (-want +got):\n%s", diff)
	}
}

// Requirement: POS-03
func TestDutiesAreKeptApart(t *testing.T) {
	never := []struct {
		role staff.Role
		ops  []staff.Name
	}{
		{staff.Customer, []staff.Name{staff.Void, staff.Return, staff.NoSale, staff.SettingsChange, staff.JournalView, staff.ZReport, staff.PayOut}},
		{staff.Operator, []staff.Name{staff.SettingsChange, staff.PeopleChange, staff.ArticlesImport, staff.TaxChange, staff.JournalView, staff.Export, staff.ClockSet}},
		{staff.Supervisor, []staff.Name{staff.SettingsChange, staff.PeopleChange, staff.ArticlesImport, staff.TaxChange, staff.Export}},
		{staff.FinancialManager, []staff.Name{staff.Sell, staff.SettingsChange, staff.PeopleChange, staff.ArticlesImport}},
		{staff.Administrator, []staff.Name{staff.Sell, staff.Complete, staff.Void, staff.Return, staff.PayOut, staff.ZReport, staff.Export}},
		{staff.Service, []staff.Name{staff.Sell, staff.Void, staff.PeopleChange, staff.SettingsChange, staff.JournalView, staff.Export}},
		{staff.Inspector, []staff.Name{staff.Sell, staff.Void, staff.SettingsChange, staff.PeopleChange, staff.ZReport, staff.ClockSet}},
	}
	for _, row := range never {
		for _, op := range row.ops {
			if got := staff.Allowed(row.role, op).Answer; got != staff.No {
				t.Errorf("Allowed(%s, %s) = %s, want no", row.role, op, got)
			}
		}
	}
}

func TestTableIsSound(t *testing.T) {
	seen := make(map[staff.Name]bool)
	for _, op := range staff.Table() {
		if seen[op.Name] {
			t.Errorf("operation %s stands twice", op.Name)
		}
		seen[op.Name] = true
		if len(op.Roles)+len(op.Asks) == 0 {
			t.Errorf("nobody can ever %s", op.Name)
		}
		if (len(op.Asks) > 0) != (len(op.StepUp) > 0) {
			t.Errorf("%s: asks %v, approved by %v", op.Name, op.Asks, op.StepUp)
		}
		for _, r := range slices.Concat(op.Roles, op.Asks, op.StepUp) {
			if !r.Valid() {
				t.Errorf("%s names role %q", op.Name, r)
			}
		}
		for _, r := range op.Asks {
			if slices.Contains(op.Roles, r) {
				t.Errorf("%s: %s may and has to ask", op.Name, r)
			}
		}
	}
}

func TestUnknownIsRefused(t *testing.T) {
	for _, role := range append(staff.Roles(), "", "root") {
		if d := staff.Allowed(role, "format-disk"); d.Answer != staff.No {
			t.Errorf("Allowed(%q, format-disk) = %s", role, d.Answer)
		}
	}
	if d := staff.Allowed("root", staff.Sell); d.Answer != staff.No {
		t.Errorf("Allowed(root, sell) = %s", d.Answer)
	}
}

func TestTableCannotBeChanged(t *testing.T) {
	rows := staff.Table()
	for i := range rows {
		for j := range rows[i].Roles {
			rows[i].Roles[j] = staff.Customer
		}
		rows[i].Name = "x"
	}
	if got := staff.Allowed(staff.Customer, staff.SettingsChange).Answer; got != staff.No {
		t.Errorf("after writing to a copy of the table a customer may change settings: %s", got)
	}
}

func TestApproval(t *testing.T) {
	anna := staff.Person{ID: "anna", Role: staff.Operator}
	boss := staff.Person{ID: "boss", Role: staff.Supervisor}
	root := staff.Person{ID: "root", Role: staff.Administrator}
	auntie := staff.Person{ID: "anna", Role: staff.Supervisor} // anna's id again
	for name, c := range map[string]struct {
		person, approver staff.Person
		op               staff.Name
		code             string
	}{
		"supervisor approves a void":         {anna, boss, staff.Void, ""},
		"administrator does not":             {anna, root, staff.Void, staff.CodeCannotApprove},
		"nobody approves for themselves":     {anna, auntie, staff.Void, staff.CodeSelfApproval},
		"what is forbidden stays forbidden":  {anna, root, staff.SettingsChange, staff.CodeForbidden},
		"who may alone needs no approval":    {boss, anna, staff.Void, ""},
		"an operation that is not there":     {anna, boss, "format-disk", staff.CodeUnknownOp},
		"two need a return without receipt":  {boss, staff.Person{ID: "b2", Role: staff.Supervisor}, staff.ReturnNoReceipt, ""},
		"and not one, even if a supervisor":  {boss, boss, staff.ReturnNoReceipt, staff.CodeSelfApproval},
		"an operator cannot approve a clock": {root, anna, staff.ClockSet, staff.CodeCannotApprove},
	} {
		t.Run(name, func(t *testing.T) {
			if got := code(staff.Approve(c.person, c.approver, c.op)); got != c.code {
				t.Errorf("code = %q, want %q", got, c.code)
			}
		})
	}
}

func code(err error) string {
	var e *staff.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return ""
}

// Requirement: POS-03
func TestFinerRolesOnlyTakeAway(t *testing.T) {
	book := staff.Book{{Name: "trainee", Base: staff.Operator, Without: []staff.Name{staff.Discount, staff.Void}}}
	if err := book.Validate(); err != nil {
		t.Fatal(err)
	}
	order := map[staff.Answer]int{staff.No: 0, staff.NeedsApproval: 1, staff.Yes: 2}
	for _, op := range staff.Table() {
		got, base := book.Allowed("trainee", op.Name), staff.Allowed(staff.Operator, op.Name)
		if order[got.Answer] > order[base.Answer] {
			t.Errorf("trainee may %s: %s, operator: %s", op.Name, got.Answer, base.Answer)
		}
	}
	if got := book.Allowed("trainee", staff.Discount).Answer; got != staff.No {
		t.Errorf("trainee gives discounts: %s", got)
	}
	anna, weak := staff.Person{ID: "a", Role: staff.Operator}, staff.Person{ID: "b", Role: "half-boss"}
	half := staff.Book{{Name: "half-boss", Base: staff.Supervisor, Without: []staff.Name{staff.Void}}}
	if got := code(half.Approve(anna, weak, staff.Void)); got != staff.CodeCannotApprove {
		t.Errorf("half-boss approves a void: code %q", got)
	}
	if err := half.Approve(anna, weak, staff.NoSale); err != nil {
		t.Errorf("half-boss cannot approve a no-sale: %v", err)
	}
	for _, bad := range []staff.Book{
		{{Name: staff.Operator, Base: staff.Customer}},
		{{Name: "x", Base: "root"}},
		{{Name: "x", Base: staff.Operator, Without: []staff.Name{"nothing"}}},
		{{Name: "x", Base: staff.Operator}, {Name: "x", Base: staff.Service}},
	} {
		if bad.Validate() == nil {
			t.Errorf("Validate(%v) = nil", bad)
		}
	}
}

func TestPeopleAreChecked(t *testing.T) {
	for _, p := range []staff.Person{
		{ID: "", Role: staff.Operator}, {ID: "a b", Role: staff.Operator}, {ID: "a", Role: ""},
		{ID: "a", Name: "x\x1b[2J", Role: staff.Operator}, {ID: "a", Name: strings.Repeat("n", 61), Role: staff.Operator},
		{ID: staff.ID(strings.Repeat("n", 33)), Role: staff.Operator},
	} {
		if p.Validate() == nil {
			t.Errorf("Validate(%+v) = nil", p)
		}
	}
	if err := (staff.Person{ID: "1", Name: "Zoë Müller", Role: staff.Operator}).Validate(); err != nil {
		t.Error(err)
	}
}
