from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0008_database_time")]
    operations = [
        migrations.AlterField(
            model_name="sourcedocument",
            name="next_refresh_at",
            field=models.DateTimeField(
                help_text="When a page is read again; of an approved answer, when its time is over.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="sourcedocument",
            index=models.Index(
                condition=models.Q(("kind", "golden"), ("next_refresh_at__isnull", False), ("status", "indexed")),
                fields=["account", "next_refresh_at"],
                name="idx_sourcedocument_over",
            ),
        ),
    ]
