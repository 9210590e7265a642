package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTheProgramLinksNoMoreThanItNeeds: of the cloud's SDK that is what gets
// credentials and signs a login, and nothing of what deploys.
func TestTheProgramLinksNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		for _, unwanted := range []string{"github.com/pulumi/", "k8s.io/", sdk + "service/", sdk + "config", sdk + "feature/ec2/"} {
			if strings.HasPrefix(name, unwanted) {
				t.Errorf("it links %s", name)
			}
		}
	}
}
