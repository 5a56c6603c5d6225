"""What the server says about itself over HTTP; reads everything, changes nothing."""
