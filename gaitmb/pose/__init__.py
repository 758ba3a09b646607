"""From a video to the participant's 2D pose: who is seen, who walks, and whether it is enough."""
