package subjecttoken

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// certificateFiles are where a certificate and its key are, relative to the
// working directory.
type certificateFiles struct {
	CertPath string `json:"cert_path"`
	KeyPath  string `json:"key_path"`
}

// files finds and reads the certificate configuration.
func (c *Certificate) files() (certificateFiles, error) {
	path, flaw := c.configPath()
	if flaw != "" {
		return certificateFiles{}, certificateError(flaw, nil)
	}
	content, err := readFile(path)
	if err != nil {
		named := "that credential_source.certificate.certificate_config_location names"
		if c.UseDefaultConfig {
			named = "at its default place; where it is elsewhere, tell by GOOGLE_API_CERTIFICATE_CONFIG or by credential_source.certificate.certificate_config_location"
		}
		return certificateFiles{}, certificateError("reading the certificate configuration "+named, err)
	}
	files, flaw := readCertificateConfig(content)
	if flaw != "" {
		return certificateFiles{}, certificateError("the certificate configuration "+path+" "+flaw, nil)
	}
	return files, nil
}

// configPath is where the certificate configuration is.
func (c *Certificate) configPath() (path, flaw string) {
	const either = "set credential_source.certificate.certificate_config_location, or use_default_certificate_config to true"
	switch {
	case c.ConfigLocation == "" && !c.UseDefaultConfig:
		return "", "no certificate configuration is named; " + either
	case c.ConfigLocation != "" && c.UseDefaultConfig:
		return "", "two certificate configurations are named; " + either + ", not both"
	case c.ConfigLocation != "":
		return c.ConfigLocation, ""
	}
	getenv := c.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	return defaultCertificateConfig(getenv)
}

func defaultCertificateConfig(getenv func(string) string) (path, flaw string) {
	const name = "certificate_config.json"
	if path := getenv("GOOGLE_API_CERTIFICATE_CONFIG"); path != "" {
		return path, ""
	}
	if gcloud := getenv("CLOUDSDK_CONFIG"); gcloud != "" {
		return filepath.Join(gcloud, name), ""
	}
	home, below := "HOME", ".config"
	if runtime.GOOS == "windows" {
		home, below = "APPDATA", ""
	}
	directory := getenv(home)
	if directory == "" {
		return "", "there is no default certificate configuration: none of GOOGLE_API_CERTIFICATE_CONFIG, CLOUDSDK_CONFIG and " + home + " is set; set the first to its path, or name it in credential_source.certificate.certificate_config_location"
	}
	return filepath.Join(directory, below, "gcloud", name), ""
}

// readCertificateConfig reads what gcloud writes, and passes over what is in it
// for others. If something is wrong, flaw is what to say of the file.
func readCertificateConfig(content []byte) (files certificateFiles, flaw string) {
	var doc struct {
		CertConfigs map[string]json.RawMessage `json:"cert_configs"`
	}
	if err := json.Unmarshal(content, &doc); err != nil {
		return certificateFiles{}, jsonFlaw(err)
	}
	workload, present := doc.CertConfigs["workload"]
	if !present {
		return certificateFiles{}, "has no cert_configs.workload" + otherConfig(doc.CertConfigs)
	}
	switch err := json.Unmarshal(workload, &files); {
	case err != nil:
		return certificateFiles{}, "has in its cert_configs.workload no cert_path and key_path that are strings"
	case files.CertPath == "":
		return certificateFiles{}, "has no cert_configs.workload.cert_path"
	case files.KeyPath == "":
		return certificateFiles{}, "has no cert_configs.workload.key_path"
	}
	return files, ""
}

// otherConfig tells of a key that is not in a file.
func otherConfig(configs map[string]json.RawMessage) string {
	for _, kind := range [...]string{"pkcs11", "macos_keychain", "windows_store"} {
		if _, present := configs[kind]; present {
			return fmt.Sprintf("; its %s is for Google's Enterprise Certificate Proxy, which is not supported", kind)
		}
	}
	return ""
}

// certificateFlaw tells why a PEM block is no certificate, "" if it is one.
func certificateFlaw(block *pem.Block) string {
	if block.Type != "CERTIFICATE" {
		return "no certificate" // and may be a key
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return "no certificate that can be read"
	}
	return ""
}
