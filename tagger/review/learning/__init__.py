"""What a review's answers teach: a refitted head that shrinks the queue, and tags that look-alikes may share."""
