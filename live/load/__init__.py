"""What calls cost the machine goes in; how many are taken and how well each is drawn comes out."""
