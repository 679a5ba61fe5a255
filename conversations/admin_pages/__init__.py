"""Our own pages inside the admin, and the site itself. Apart from `admin`, which registers models on it: that is loaded when the site is there."""
