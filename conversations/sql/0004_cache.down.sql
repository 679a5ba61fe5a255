DROP TABLE django_cache;
