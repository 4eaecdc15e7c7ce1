package device

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// Errors of campaigns.
var ErrCampaign = errors.New("this campaign is not followed")

// campaignFile keeps the campaign in force, as it was signed; begunFile which release
// was begun under it.
const (
	campaignFile = "campaign.note"
	begunFile    = "campaign.begun"
)

// orders is the campaign in force.
type orders struct {
	manifest.Campaign
	begun manifest.Digest // release that this device was offered in time
}

// orders is the deployer's newest statement, from the sources or kept; nil where no
// deployer is configured or nothing was ever said. A statement below the one that was
// seen is refused, and so is another one of the same serial (requirement CU-17).
func (d *Device) orders(ctx context.Context) (*orders, error) {
	if d.Config.Deployer == nil {
		return nil, nil
	}
	newest, text := d.keptCampaign()
	var errs []error
	for _, s := range d.sources.small() {
		signed, err := s.Fetch(ctx, manifest.CampaignName, maxNote)
		if errors.Is(err, trust.ErrNotFound) {
			continue
		}
		c, err := d.campaign(signed, err)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("campaign of %s: %w", s, err))
		case newest == nil || c.Serial > newest.Serial:
			newest, text = c, signed
		case c.Serial < newest.Serial:
			errs = append(errs, fmt.Errorf("campaign %d of %s, seen was %d: %w", c.Serial, s, newest.Serial, ErrCampaign))
		case !same(c, newest):
			errs = append(errs, fmt.Errorf("campaign %d of %s says something else than before: %w", c.Serial, s, ErrCampaign))
		}
	}
	if seen := d.seenCampaign(); newest == nil && seen > 0 || newest != nil && newest.Serial < seen {
		return nil, errors.Join(append(errs, fmt.Errorf("the campaign %d that was seen is not there: %w", seen, ErrCampaign))...)
	}
	if newest == nil {
		return nil, errors.Join(errs...)
	}
	return d.keepCampaign(newest, text, errors.Join(errs...))
}

func (d *Device) campaign(signed []byte, err error) (*manifest.Campaign, error) {
	if err != nil {
		return nil, err
	}
	c := new(manifest.Campaign)
	if err := d.Config.Deployer.OpenDocument(signed, c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCampaign, err)
	}
	return c, nil
}

func same(a, b *manifest.Campaign) bool {
	x, err := manifest.EncodeDocument(a)
	y, err2 := manifest.EncodeDocument(b)
	return err == nil && err2 == nil && string(x) == string(y)
}

// keptCampaign is the statement that was seen last; one that cannot be read is none.
func (d *Device) keptCampaign() (*manifest.Campaign, []byte) {
	text, err := durable.ReadFile(d.options.FS, d.path(campaignFile), maxNote)
	c, err := d.campaign(text, err)
	if err != nil {
		return nil, nil
	}
	return c, text
}

// keepCampaign makes a statement durable before it is followed.
func (d *Device) keepCampaign(c *manifest.Campaign, text []byte, refused error) (*orders, error) {
	o := &orders{Campaign: *c}
	if err := keep(d.options.FS, d.path(campaignFile), text); err != nil {
		return nil, errors.Join(refused, fmt.Errorf("keep the campaign: %w", err))
	}
	if text, err := durable.ReadFile(d.options.FS, d.path(begunFile), 1<<10); err == nil {
		_ = json.Unmarshal(text, &o.begun) // nothing was begun, or it is begun again in time
	}
	return o, refused
}

// keep replaces a small file unless it has that content.
func keep(fsys durable.FS, name string, data []byte) error {
	if have, err := durable.ReadFile(fsys, name, int64(len(data))); err == nil && string(have) == string(data) {
		return nil
	}
	return durable.Replace(fsys, name, data)
}

// begins says when the device may begin; ours is false when the campaign is not about
// it, or when it is over and was not begun in time.
func (o *orders) begins(d *Device) (at time.Time, ours bool) {
	id := d.Key.ID()
	if o.Device != id.String() && o.Cohort != "*" && (o.Cohort == "" || !slices.Contains(d.Config.Cohorts, o.Cohort)) {
		return at, false
	}
	if d.trusting().Now().After(o.Until) && o.begun != o.Release {
		return at, false
	}
	if len(o.Waves) == 0 {
		return o.From, true
	}
	place := wavePlace(id, o.Release)
	for _, w := range o.Waves {
		if place < w.Percent {
			return w.From, true
		}
	}
	return at, false
}

// wavePlace is where in the order of waves a device stands, 0 to 99: the same for one
// release whatever a later campaign says of it, and another one for another release, so
// that not always the same tills are first.
func wavePlace(device, release manifest.Digest) int {
	sum := sha256.Sum256(fmt.Appendf(nil, "plomb wave/1\n%s\n%s\n", device, release))
	return int(binary.BigEndian.Uint64(sum[:8]) % 100)
}

// give puts what the deployer decided into an offer, after it is durable that it was
// begun: from then on the end of the campaign does not take it away any more. A nil o
// changes nothing.
func (o *orders) give(f *finder, release manifest.Digest, offer *update.Offer) error {
	if o == nil {
		return nil
	}
	if !f.asking {
		text, err := json.Marshal(release)
		if err == nil {
			err = keep(f.d.options.FS, f.d.path(begunFile), text)
		}
		if err != nil {
			return fmt.Errorf("keep what was begun: %w", err)
		}
	}
	offer.Attempts = o.Attempts
	if offer.Urgent = o.Urgency == manifest.Urgent; offer.Urgent {
		offer.Deadline = o.Until
	}
	return nil
}
