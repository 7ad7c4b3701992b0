package fakecloud

import (
	"context"
	"time"
)

// RotationEvent is what a rotation function is invoked with; its JSON form is
// the event that AWS Lambda gets.
type RotationEvent struct {
	// Step is "createSecret", "setSecret", "testSecret" or "finishSecret".
	Step string
	// SecretId is the secret's ARN.
	SecretId string
	// ClientRequestToken is the id of the version to make.
	ClientRequestToken string
	// RotationToken identifies the rotation; AWS's documentation counts it
	// among the sensitive values.
	RotationToken string
}

// RotationFunction stands for a Lambda rotation function.
type RotationFunction func(context.Context, RotationEvent) error

// SetRotationFunction makes a function known that RotateSecret can then be
// asked to use by its ARN; nil makes it unknown. RotateSecret invokes it for
// the four steps, stops at the first error, which leaves AWSPENDING where it is,
// and answers well in either case: in AWS the rotation goes on in the
// background, here it is over before the answer comes.
func (c *Cloud) SetRotationFunction(arn string, f RotationFunction) {
	s := &c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.functions == nil {
		s.functions = map[string]RotationFunction{}
	}
	if f == nil {
		delete(s.functions, arn)
		return
	}
	s.functions[arn] = f
}

// rotation is a secret's rotation configuration.
type rotation struct {
	enabled     *bool // nil: never configured
	functionARN string
	rules       *rotationRules
	last        time.Time
}

type rotationRules struct {
	AutomaticallyAfterDays int    `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

type rotateSecretInput struct {
	SecretId, ClientRequestToken, RotationLambdaARN string
	RotationRules                                   *rotationRules
	RotateImmediately                               *bool
}

func (call *secretsCall) rotateSecret(in rotateSecretInput) (any, error) {
	secret, err := call.liveSecret("RotateSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	if err := checkToken(in.ClientRequestToken, "InvalidParameterException"); err != nil {
		return nil, err
	}
	next := secret.rotation
	if err := next.configure(in); err != nil {
		return nil, err
	}
	function := call.store.functions[next.functionARN]
	if function == nil {
		return nil, refuse("AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function. "+
			"Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.")
	}
	answer := secret.named(in.ClientRequestToken)
	if pending := secret.labels[awsPending]; pending != nil && pending != secret.labels[awsCurrent] {
		if pending.id == in.ClientRequestToken {
			return answer, nil
		}
		return nil, refuse("InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	}
	if secret.version(in.ClientRequestToken) != nil {
		return nil, tokenInUse(in.ClientRequestToken, secret)
	}
	if _, err := secret.put(in.ClientRequestToken, nil, []string{awsPending}, call.now); err != nil {
		return nil, err
	}
	secret.rotation = next
	event := RotationEvent{
		SecretId: secret.arn, ClientRequestToken: in.ClientRequestToken,
		RotationToken: derive(call.cloud.options.Seed, "rotation", in.ClientRequestToken).uuid(),
	}
	if in.RotateImmediately == nil || *in.RotateImmediately {
		call.afterwards = func() { call.rotate(secret, function, event) }
	} else {
		call.afterwards = func() { call.testRotation(secret, function, event) }
	}
	return answer, nil
}

func (r *rotation) configure(in rotateSecretInput) error {
	if in.RotationLambdaARN != "" {
		r.functionARN = in.RotationLambdaARN
	}
	if r.functionARN == "" {
		return refuse("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
	}
	if rules := in.RotationRules; rules != nil {
		if rules.AutomaticallyAfterDays != 0 && rules.ScheduleExpression != "" {
			return refuse("InvalidParameterException", "You can't specify both AutomaticallyAfterDays and ScheduleExpression.")
		}
		if rules.AutomaticallyAfterDays < 0 || rules.AutomaticallyAfterDays > 1000 {
			return refuse("InvalidParameterException", "RotationRules.AutomaticallyAfterDays must be within 1-1000.")
		}
		r.rules = rules
	}
	enabled := true
	r.enabled = &enabled
	return nil
}

// rotate runs the four steps.
func (call *secretsCall) rotate(secret *storedSecret, function RotationFunction, event RotationEvent) {
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		event.Step = step
		if function(call.ctx, event) != nil {
			return
		}
	}
	call.store.mu.Lock()
	defer call.store.mu.Unlock()
	if current := secret.labels[awsCurrent]; current != nil && current.id == event.ClientRequestToken {
		secret.rotation.last = call.now
	}
}

// testRotation is what RotateImmediately: false does: it tries the
// configuration on a version that is pending only as long as that takes.
func (call *secretsCall) testRotation(secret *storedSecret, function RotationFunction, event RotationEvent) {
	event.Step = "testSecret"
	_ = function(call.ctx, event)
	call.store.mu.Lock()
	defer call.store.mu.Unlock()
	if current := secret.labels[awsCurrent]; current == nil || current.id != event.ClientRequestToken {
		secret.discard(event.ClientRequestToken)
	}
}

func (call *secretsCall) cancelRotateSecret(in secretIDInput) (any, error) {
	secret, err := call.liveSecret("CancelRotateSecret", in.SecretId)
	if err != nil {
		return nil, err
	}
	enabled := false
	secret.rotation.enabled = &enabled
	if pending := secret.labels[awsPending]; pending != nil && pending != secret.labels[awsCurrent] {
		return secret.named(pending.id), nil
	}
	return secret.named(""), nil
}
