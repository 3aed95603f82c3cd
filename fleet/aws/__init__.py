"""Target ``aws``: two CloudFormation stacks, ECS services on an Auto Scaling group, and what drives them."""
