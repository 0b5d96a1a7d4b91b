"""What devices answer: read, trusted or refused, judged by the contract."""
