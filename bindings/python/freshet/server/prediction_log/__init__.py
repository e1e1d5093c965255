"""What was predicted: kept, handed on to other databases, and found again."""
