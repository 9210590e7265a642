package rehearsal

import (
	"slices"
	"testing"
)

func TestNoVariableThatNamesAnAccountReachesTheEngine(t *testing.T) {
	t.Parallel()
	kept := harmless([]string{
		"PATH=/bin", "HOME=/root", "AWS_ACCESS_KEY_ID=x", "AWS_PROFILE=prod", "KUBECONFIG=/x", "PULUMI_BACKEND_URL=https://x",
		"PULUMI_ACCESS_TOKEN=x", "GOOGLE_APPLICATION_CREDENTIALS=/x", "HTTPS_PROXY=http://x", "MALFORMED",
	})
	if want := []string{"PATH=/bin", "HOME=/root"}; !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
}

// A stack's file may be encrypted by a key that only its team has. A rehearsal
// neither needs it nor asks for it.
func TestStackFilesAreReadWithoutTheirKeys(t *testing.T) {
	t.Parallel()
	opened, err := withoutSecrets([]byte(`
secretsprovider: awskms://alias/state
encryptedkey: AQICAHh
config:
  trivet:tier: prod
  trivet:token:
    secure: v1:abc
  trivet:edge:
    zoneID: Z1
    nested:
      secure: v1:def
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `config:
    trivet:edge:
        nested: rehearsal
        zoneID: Z1
    trivet:tier: prod
    trivet:token: rehearsal
`
	if string(opened) != want {
		t.Errorf("got\n%s\nwant\n%s", opened, want)
	}
}
