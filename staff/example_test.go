package staff_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/staff"
)

func ExampleAllowed() {
	for _, role := range []staff.Role{staff.Customer, staff.Operator, staff.Supervisor} {
		d := staff.Allowed(role, staff.Void)
		fmt.Println(role, d.Answer, d.By)
	}
	// Output:
	// customer no []
	// operator approval [supervisor responsible]
	// supervisor yes []
}
