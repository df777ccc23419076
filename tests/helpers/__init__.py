"""What several tests share, a module for each job."""
