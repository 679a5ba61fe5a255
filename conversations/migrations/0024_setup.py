"""A channel remembers its check and its test; an account whether its set-up is done. Accounts that are there are set up."""

import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models


#: Nobody who has worked here for long is led to the first steps.
ARE_SET_UP = "UPDATE conversations_account SET set_up_at = created_at"


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0023_nobody_is_forgotten'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='set_up_at',
            field=models.DateTimeField(editable=False, help_text='When every step of the set-up was done. Until then its admins are led there.', null=True),
        ),
        migrations.AddField(
            model_name='channel',
            name='checked',
            field=models.JSONField(blank=True, db_default=[], default=list, editable=False),
        ),
        migrations.AddField(
            model_name='channel',
            name='checked_as',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='channel',
            name='checked_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='channel',
            name='test_arrived_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='channel',
            name='tested_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='channel',
            name='tested_to',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=254),
        ),
        migrations.AlterField(
            model_name='account',
            name='archive_bodies_after_days',
            field=models.PositiveIntegerField(default=0, help_text='Days from the closing of a conversation. Texts and files go; figures and the trail stay. 0 keeps them.', verbose_name='empty texts after'),
        ),
        migrations.AlterField(
            model_name='account',
            name='expire_sessions_after_days',
            field=models.PositiveIntegerField(default=30, help_text='Days from the last word of a chat with the assistant.', verbose_name='end practice chats after'),
        ),
        migrations.AlterField(
            model_name='account',
            name='is_active',
            field=models.BooleanField(default=True, help_text='Off: nobody works in this account.'),
        ),
        migrations.AlterField(
            model_name='account',
            name='legal_hold',
            field=models.BooleanField(default=False, help_text="Nothing is emptied or removed, also not on a customer's wish, until you take this off."),
        ),
        migrations.AlterField(
            model_name='account',
            name='name',
            field=models.CharField(help_text='In the top bar and in invitations.', max_length=200),
        ),
        migrations.AlterField(
            model_name='account',
            name='purge_after_days',
            field=models.PositiveIntegerField(default=0, help_text='Days from the closing of a conversation. All but the audit skeleton goes, names too. 0 keeps it.', verbose_name='remove whose they were after'),
        ),
        migrations.AlterField(
            model_name='account',
            name='slug',
            field=models.SlugField(help_text='In addresses and commands. It cannot be changed.', max_length=60),
        ),
        migrations.AlterField(
            model_name='account',
            name='timezone',
            field=models.CharField(default='UTC', help_text='For due times, reports and the nightly run. People may choose their own for what they see.', max_length=64, verbose_name='time zone'),
        ),
        migrations.AlterField(
            model_name='channel',
            name='is_active',
            field=models.BooleanField(default=True, help_text='Off: nothing comes in and nothing leaves. What is there stays.', verbose_name='switched on'),
        ),
        migrations.AlterField(
            model_name='channel',
            name='name',
            field=models.CharField(help_text='Only your team sees it: in the queue, filters and reports.', max_length=120),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('checked', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='channel_checked_under_64k'),
        ),
        migrations.RunSQL(ARE_SET_UP, migrations.RunSQL.noop),
    ]
